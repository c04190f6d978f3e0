"""The laptop AWS on the command line: ``python -m laptop demo``, ``serve`` and ``engine``."""

import argparse
import sys
from pathlib import Path

from . import ACCOUNT, REGION, pulumi_cli
from .errors import LaptopError

DEFAULT_PORT = 4566
"""Where ``make laptop`` listens, as other local AWS emulators do."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m laptop", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="run the whole loop once, show it, and leave nothing")
    demo.add_argument("--data", type=Path, help="a CSV file of your own (default: a real data set)")
    demo.add_argument("--target", help="the column to predict, with --data")
    demo.add_argument("--protected", help="the column to judge fairness by, with --data")
    demo.add_argument("--port", type=port, default=0, help="listen there (default: a free port)")
    demo.add_argument(
        "--report", type=Path, default=Path("reports/demo.html"), help="where the report goes"
    )
    demo.add_argument("--engine", default="laptop", help="laptop (in this process), or pulumi")
    serve = commands.add_parser("serve", help="keep the laptop AWS running until Ctrl-C")
    serve.add_argument("--port", type=port, default=DEFAULT_PORT, help="listen there")
    commands.add_parser("engine", help="build the genuine pulumi, if there is none to use")
    arguments = parser.parse_args(argv)
    try:
        return RUN[arguments.command](arguments)
    except LaptopError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: everything that was started has been stopped.", file=sys.stderr)
        return 130


def port(text: str) -> int:
    """A port number; 0 asks for a free one."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is not a port: give 0 to 65535")
    return number


def run_demo(arguments: argparse.Namespace) -> int:
    """The demo, shown on this terminal."""
    from .demo import main  # imports pandas and rich: not for `serve`

    return main.run(
        data=arguments.data,
        target=arguments.target,
        protected=arguments.protected,
        port=arguments.port,
        report=arguments.report,
        engine=arguments.engine,
    )


def run_server(arguments: argparse.Namespace) -> int:
    """The laptop AWS alone, for one's own experiments."""
    from .server import LaptopAWS

    with LaptopAWS(port=arguments.port) as aws:
        print(welcome(aws.endpoint_url))
        aws.wait()
    return 0


def welcome(url: str) -> str:
    """How people point their tools at the laptop AWS: in the environment, which all SDKs read.

    S3 Control, of which Pulumi's provider asks tags, is addressed under a host name that no
    resolver knows: the laptop AWS is the proxy, too, for that one command.
    """
    return (
        f"The laptop AWS is ready at {url} (region {REGION}, account {ACCOUNT}).\n"
        "Point the AWS command line, boto3 and Pulumi at it:\n\n"
        f"  export AWS_ENDPOINT_URL={url} AWS_DEFAULT_REGION={REGION}\n"
        "  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test\n"
        f"  HTTP_PROXY={url} pulumi up --stack laptop    # docs/environments.md\n\n"
        "Ctrl-C stops it, and what is in it is gone."
    )


def build_engine(_: argparse.Namespace) -> int:
    """The ``pulumi`` that the tests of the engine and ``--engine pulumi`` run."""
    pulumi_cli.make()
    return 0


RUN = {"demo": run_demo, "serve": run_server, "engine": build_engine}


if __name__ == "__main__":
    sys.exit(main())
