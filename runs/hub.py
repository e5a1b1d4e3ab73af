"""Generators on the Hugging Face Hub: hf://USER/REPO, or hf://USER/REPO@REVISION.

Weights and options alone are fetched, into the cache of huggingface_hub; no code is.
"""
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from runs.generator_config import require_ours
from runs.run_folder import CONFIG, TENSORS
from util.errors import MachineError, UserError
from util.extra import library

LOG_IN = "`hf auth login` logs in, or the environment's HF_TOKEN holds a token of https://huggingface.co/settings/tokens"


@dataclass(frozen=True)
class Address:
    """revision: a branch, a tag or a commit; '' for the newest commit of main."""

    repo: str
    revision: str = ""

    def __str__(self) -> str:
        return f"hf://{self.repo}" + (f"@{self.revision}" if self.revision else "")


def read_address(text: str | os.PathLike[str]) -> Address | None:
    """The place on the Hub that a text names; None when it is a path. UserError when it begins as one and is none."""
    text = os.fspath(text)
    if not text.startswith("hf:"):
        return None
    found = re.fullmatch(r"hf:/{1,2}([\w.-]+/[\w.-]+)(?:@([^@\s]+))?", text)  # a Path has made one / of two
    if not found:
        raise UserError(f"{text!r} is no place on the Hub; expected hf://USER/REPO, or hf://USER/REPO@REVISION")
    return Address(found[1], found[2] or "")


def local_place(run: str | os.PathLike[str]) -> Path:
    """Where a run lies on this machine: the path itself, or what is fetched for a place on the Hub."""
    address = read_address(run)
    return fetch(address)[0] if address else Path(run)


def fetch(address: Address) -> tuple[Path, Address]:
    """The folder in the cache with config.json and model.safetensors of a generator, and its address with the commit.

    What is in the cache is used without the network where the address has a commit, or there is no network.
    UserError when there is no such generator, or it may not be read; MachineError when the Hub cannot be reached.
    """
    download = library("huggingface_hub", "hub", str(address)).hf_hub_download
    with explained(str(address)):
        config = Path(download(address.repo, CONFIG, revision=address.revision or None))
        require_ours(config, str(address))  # before weights that may be large and of no use
        commit = config.parent.name
        download(address.repo, TENSORS, revision=commit)
    return config.parent, replace(address, revision=commit)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Errors of huggingface_hub in the block become UserError and MachineError. what: is read or written there."""
    errors = library("huggingface_hub.errors", "hub", what)
    try:
        yield
    except errors.RevisionNotFoundError:
        raise UserError(f"{what}: there is no such revision; leave out @REVISION for the newest, or give a branch, a "
                        "tag or a commit") from None
    except errors.GatedRepoError:
        raise UserError(f"{what} asks for consent before it is read: give it on https://huggingface.co, then log in. "
                        f"{LOG_IN}") from None
    except errors.RepositoryNotFoundError:
        raise UserError(f"{what} does not exist, or is private and this machine is not logged in as somebody who may "
                        f"see it. {LOG_IN}") from None
    except errors.LocalEntryNotFoundError as error:
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        raise MachineError(f"{what} cannot be reached{offline}, and is not whole in the cache of this machine: "
                           f"{_first_line(error.__cause__ or error)}") from None
    except errors.EntryNotFoundError:
        raise UserError(f"{what} holds no {CONFIG} with {TENSORS}; expected a generator that export.py --to hub wrote. "
                        "Weights in another form are downloaded, and given as a file") from None
    except (errors.HfHubHTTPError, errors.HTTPError, errors.OfflineModeIsEnabled, RuntimeError) as error:
        raise _refusal(what, error) from None
    except OSError as error:  # the disk, or the library for large files
        raise MachineError(f"{what}: {_first_line(error)}") from None
    except ValueError as error:  # a name, or the front matter of a card, that the Hub does not take
        raise UserError(f"{what}: {' '.join(str(error).split())}") from None


def _refusal(what: str, error: Exception) -> UserError | MachineError:
    """What a server answered, or that none did. error: where several parts were sent, its cause tells."""
    cause = error.__cause__ if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception) else error
    code = getattr(getattr(cause, "response", None), "status_code", None)
    if code == 401:
        return UserError(f"{what}: the Hub does not know who asks. {LOG_IN}")
    if code == 403:
        return UserError(f"{what}: the Hub refuses this (403): the token may not do it, or the place is of somebody "
                         f"else; a token that writes is needed to push. {LOG_IN}")
    if code and 400 <= code < 500 and code not in (408, 429):
        return UserError(f"{what}: the Hub refuses this ({code}): {_first_line(cause)}")
    return MachineError(f"{what}: the Hub {'answers ' + str(code) if code else 'cannot be reached'}: "
                        f"{_first_line(cause)}")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
