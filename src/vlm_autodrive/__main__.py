"""``python -m vlm_autodrive``: the command ``autodrive``, for launchers that start a module."""

from vlm_autodrive.cli.main import main

if __name__ == "__main__":
    main()
