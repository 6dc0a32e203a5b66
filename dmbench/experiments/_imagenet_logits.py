"""The logits of one picture that are tracked, a line a class: reference_results/tracked/<network>_logits.txt.

`python -m dmbench.experiments._imagenet_logits` writes the three files anew.
"""

from dmbench.experiments import googlenet, squeezenet
from dmbench.experiments._imagenet import LABELS, SUBSET, first_logits
from dmbench.harness.artifacts import Store
from dmbench.harness.paths import reference, write_whole
from dmbench.harness.report_pictures import Drawing
from dmbench.models.googlenet import SIDE as GOOGLENET_SIDE
from dmbench.models.squeezenet import SIDE as SQUEEZENET_SIDE


def main() -> None:
    """Write the files."""
    store = Store.from_environment()
    found = {name: store.files(name) for name in (SUBSET, LABELS, googlenet.WEIGHTS, *squeezenet.WEIGHTS.values())}
    ctx = Drawing("googlenet", found)
    networks = {"googlenet": (googlenet.under_test(ctx), GOOGLENET_SIDE)}
    ctx = Drawing("squeezenet", found)
    networks |= {f"squeezenet_{v}": (squeezenet.under_test(ctx, v), SQUEEZENET_SIDE) for v in squeezenet.WEIGHTS}
    for name, (net, side) in networks.items():
        lines = [f"{value:.7g}\n" for value in first_logits(ctx, net, side).tolist()]
        write_whole(reference() / "tracked" / f"{name}_logits.txt", "".join(lines).encode())


if __name__ == "__main__":
    main()
