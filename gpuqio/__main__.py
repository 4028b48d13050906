"""`python -m gpuqio` is the `gpuqio` command."""

from __future__ import annotations

from gpuqio.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
