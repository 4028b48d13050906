"""What all three flavours share: everything of Workspace, Job and the solvers that needs no waiting."""
