"""Show the agents of this computer, and do something with one of them."""

from __future__ import annotations

from argparse import Namespace
from urllib.parse import quote

from gitsync.cli import status
from gitsync.cli.client import connect
from gitsync.cli.settings import own_settings
from gitsync.cli.terminal import print_json, say
from gitsync.errors import EXIT_OK, GitsyncError, UsageError

PATIENCE = 30.0
"""Seconds that starting or stopping a program may take; it is given 10 s at most to end."""


def agents(args: Namespace) -> int:
    """Show all agents, or do what is asked with one."""
    if args.action is None:
        return _show(args)
    if args.action == "recipes":
        return _recipes(args)
    if args.name is None:
        raise UsageError(f"which agent to {args.action}?", "", f"gitsync agents {args.action} NAME")
    client = connect(own_settings(args, last_valid=True))
    if client is None:
        raise GitsyncError(
            "no process is running", "only a running process has agents to look after", "gitsync up --detach"
        )
    told = client.post(f"/instances/{quote(args.name, safe='')}/{args.action}", timeout=PATIENCE)
    if args.json:
        print_json(told)
    else:
        drains = ", gets nothing new" if told["draining"] else ""
        word = f", {told['word']}" if told["word"] else ""
        pid = f", pid {told['pid']}" if told["pid"] else ""
        say(f"{told['name']}: {told['state']}{pid}{drains}{word}")
    return EXIT_OK


def _recipes(args: Namespace) -> int:
    """Print the settings of one recipe, ready for config.toml, or say which there are."""
    from gitsync.agents.recipes import RECIPES

    if args.name is None:
        if args.json:
            print_json({name: recipe.block for name, recipe in RECIPES.items()})
            return EXIT_OK
        for name, recipe in RECIPES.items():
            say(f"{name:<10} {recipe.block.split('# ', 1)[1].splitlines()[0]}")
        say("settings: gitsync agents recipes NAME >> .gitsync/config.toml, then gitsync restart")
        return EXIT_OK
    if args.name not in RECIPES:
        raise UsageError(f"no recipe {args.name!r}", "", "there are: " + ", ".join(RECIPES))
    block = RECIPES[args.name].block
    if args.json:
        print_json({args.name: block})
    else:
        say(block.rstrip("\n"))
    return EXIT_OK


def _show(args: Namespace) -> int:
    """Show the agents as the status does; where a process runs, with what it knows of their programs."""
    rows = [dict(row) for row in status.agents_of(args)]
    client = connect(own_settings(args)) if rows else None
    if client is not None:
        known = {told["name"]: told for told in client.get("/instances")}
        for row in rows:
            told = known.get(row["name"], {})
            row.update({key: told.get(key) for key in ("pid", "port", "restarts", "draining")})
    if args.json:
        print_json(rows)
    else:
        status.show_agents(rows)
    return EXIT_OK
