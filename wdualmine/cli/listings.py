"""Verbs that print what there is: ``metrics``, ``methods``."""

from wdualmine.cli.common import JsonOption, app, print_rows


@app.command()
def metrics(json: JsonOption = False) -> None:
    """List the metrics with direction, range, unit, conventions and source."""
    from wdualmine.metrics import METRICS

    print_rows(
        [
            {
                "metric": m.key,
                "name": m.name,
                "better": m.direction,
                "range": f"{m.range[0]:g} to {m.range[1]:g}",
                "unit": m.unit,
                "conventions": ", ".join(convention.name for convention in m.conventions),
                "source": m.source,
            }
            for m in METRICS.values()
        ],
        json,
    )


@app.command()
def methods(json: JsonOption = False) -> None:
    """List the ways to fuse: whether they learn, their size here, the published one's, and the source."""
    from wdualmine.methods import CLASSICAL, LEARNED
    from wdualmine.methods.learned import network_of, parameters

    rows = []
    for method in (*LEARNED.values(), *CLASSICAL.values()):
        published = method.system.published if method.system else None
        rows.append(
            {
                "method": method.name,
                "learns": "yes" if method.learned else "no",
                "parameters": f"{parameters(network_of(method)):,}" if method.learned else "",
                "published": f"{published.parameters:,.0f}" if published else "",
                "source": method.source,
            }
        )
    print_rows(rows, json)
