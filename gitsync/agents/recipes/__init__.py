"""Coding agents that run without a person: how each is called, what it says, how a conversation goes on."""

from __future__ import annotations

from collections.abc import Mapping

from gitsync.agents.recipes.claude import CLAUDE
from gitsync.agents.recipes.codex import CODEX
from gitsync.agents.recipes.gemini import GEMINI
from gitsync.agents.recipes.opencode import OPENCODE
from gitsync.agents.recipes.values import Recipe

RECIPES: Mapping[str, Recipe] = {one.name: one for one in (CLAUDE, CODEX, GEMINI, OPENCODE)}
