"""Verbs that print what there is: ``metrics``, ``methods``."""

from wdualmine.cli.common import app, print_table


@app.command()
def metrics() -> None:
    """List the metrics with direction, range, unit, conventions and source."""
    from wdualmine.metrics import METRICS

    print_table(
        ("metric", "name", "better", "range", "unit", "conventions", "source"),
        [
            (m.key, m.name, m.direction, f"{m.range[0]:g} to {m.range[1]:g}", m.unit,
             ", ".join(c.name for c in m.conventions), m.source)
            for m in METRICS.values()
        ],
    )  # fmt: skip


@app.command()
def methods() -> None:
    """List the ways to fuse: whether they learn, their size here, the published one's, and the source."""
    from wdualmine.methods import CLASSICAL, LEARNED
    from wdualmine.methods.learned import network_of, parameters

    rows: list[tuple[str, ...]] = []
    for method in (*LEARNED.values(), *CLASSICAL.values()):
        published = method.system.published if method.system else None
        rows.append(
            (
                method.name,
                "yes" if method.learned else "no",
                f"{parameters(network_of(method)):,}" if method.learned else "",
                f"{published.parameters:,.0f}" if published else "",
                method.source,
            )
        )
    print_table(("method", "learns", "parameters", "published", "source"), rows)
