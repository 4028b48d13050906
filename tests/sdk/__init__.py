"""Programs for the real Azure SDKs, run by `tests/test_real_sdk.py` in the SDKs' own environments."""
