"""Verbs that print what there is: ``metrics``, ``methods``."""

import sys

from wdualmine.cli.common import JsonOption, app, print_rows
from wdualmine.errors import WdualmineError


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
    """List the ways to fuse: whether they learn, how many parameters, and the source."""
    from wdualmine.methods import get_method, list_methods
    from wdualmine.methods.learned import network_of, parameters

    rows = []
    for name in list_methods():
        try:
            method = get_method(name)
        except WdualmineError as error:  # a package that is broken hides no other
            print(error, file=sys.stderr)
            continue
        rows.append(
            {
                "method": name,
                "learns": "yes" if method.learned else "no",
                "parameters": f"{parameters(network_of(method)):,}" if method.learned else "",
                "source": method.source,
            }
        )
    print_rows(rows, json)
