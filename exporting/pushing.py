"""A hub folder to the Hugging Face Hub, with the login of this machine."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from exporting.command_line import ExportOptions
from exporting.samples import FOLDER
from runs.hub import LOG_IN, explained
from util.errors import UserError
from util.extra import library

EMPTY = (".gitattributes", "README.md")  # what lies in a place that was only just made


def require_may_push(opt: ExportOptions) -> None:
    """To be asked before long work. UserError when --push names no place or one that is taken, or nobody is logged in;
    MachineError when the Hub cannot be reached.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", opt.push):
        raise UserError(f"--push {opt.push} is no place on the Hub; expected USER/REPO")
    hub = library("huggingface_hub", "hub", "--push")
    if hub.get_token() is None:
        raise UserError(f"--push {opt.push}: this machine is not logged in. {LOG_IN}")
    with explained(f"--push {opt.push}"):
        hub.HfApi().whoami()
        found = _found(hub, opt.push)
    if found is not None and not opt.overwrite and {file.rfilename for file in found.siblings} - {*EMPTY}:
        raise UserError(f"--push {opt.push} is there already; give another place, or --overwrite to put this generator "
                        "in the place of what lies there (its history keeps that)")
    if found is not None and opt.private and not found.private:
        raise UserError(f"--push {opt.push} is there already, and everybody may see it; make it private on its page, "
                        "under settings, or leave out --private")


def push(folder: Path, opt: ExportOptions) -> str:
    """Upload a hub folder as one commit, in a place that is made where it is not there; returns its page. Samples that
    lay there before do not stay. UserError when the Hub refuses, MachineError when it cannot be reached.
    """
    hub = library("huggingface_hub", "hub", "--push")
    with explained(f"--push {opt.push}"):
        api = hub.HfApi()
        page = api.create_repo(opt.push, private=opt.private or None, exist_ok=True)
        api.upload_folder(repo_id=opt.push, folder_path=folder, commit_message="A generator, exported by Bothways",
                          delete_patterns=f"{FOLDER}/*")
    return str(page)


def _found(hub: Any, repo: str) -> Any:
    """What the Hub knows of a place; None when it is free."""
    try:
        return hub.HfApi().model_info(repo)
    except hub.errors.RepositoryNotFoundError:
        return None
