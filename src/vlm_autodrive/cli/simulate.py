"""``autodrive simulate``: render dashcam videos."""

from vlm_autodrive.cli.options import Out, Overrides, Overwrite, RecipeName


def simulate(out: Out, settings: Overrides = None, recipe: RecipeName = None, overwrite: Overwrite = False) -> None:
    """Render simulated dashcam videos, in Nexar's layout.

    Example: autodrive simulate --out runs/mine/simulated triplets=50 seed=3
    """
    from vlm_autodrive.cli.options import settings_from
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.simulation import SimulateSettings
    from vlm_autodrive.simulation import simulate as simulate_dataset

    chosen = settings_from(SimulateSettings, "simulate", recipe, settings)
    print(simulate_dataset(out, chosen, make_reporter(), overwrite=overwrite))
