"""Which jobs a run consists of, and running them one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .chaos import Chaos
from .cycle import COMPANIES, Progress, SecondToken
from .entra import EntraCycle
from .entra_payloads import Dialect
from .habits import (
    ENTRA,
    ENTRA_RETRY,
    OKTA_CATALOGUE,
    OKTA_RETRY,
    OKTA_WIZARD,
    Headers,
    RetryPolicy,
)
from .okta import OktaCycle
from .okta_payloads import App
from .people import Directory
from .report import Report
from .wire import FLAG, Quarantined, Wire, split_endpoint

Job = EntraCycle | OktaCycle
_ENTRA_COMPANY, _WIZARD_COMPANY, _CATALOGUE_COMPANY = COMPANIES


@dataclass(frozen=True)
class Run:
    """The arguments of one run, as :func:`flask_scim_provisioning.simulator.run` takes them."""

    endpoint: str
    token: str
    report: Report
    users: int
    groups: int
    seed: int
    workers: int
    timeout: float
    progress: Progress | None
    chaos: Chaos | None = None
    hostile: bool = False

    def wire(self, headers: Headers, retry: RetryPolicy) -> Wire:
        """A connection with the provider's headers."""
        return Wire(
            self.endpoint, self.token, self.report, headers, retry, self.timeout, self.chaos
        )

    def entra(self, dialects: tuple[Dialect, ...]) -> EntraCycle:
        """Entra's job."""
        directory = Directory(_ENTRA_COMPANY, seed=self.seed, users=self.users, groups=self.groups)
        cycle = EntraCycle(
            self.wire(ENTRA, ENTRA_RETRY),
            directory,
            self.report,
            dialects,
            workers=self.workers,
            progress=self.progress,
        )
        cycle.hostile = self.hostile
        return cycle

    def okta(self, app: App, share: Callable[[int], int]) -> OktaCycle:
        """The job of one app; ``share`` gives its part of a number of people or groups."""
        company = _WIZARD_COMPANY if app is App.WIZARD else _CATALOGUE_COMPANY
        headers = OKTA_WIZARD if app is App.WIZARD else OKTA_CATALOGUE
        directory = Directory(
            company, seed=self.seed, users=share(self.users), groups=share(self.groups)
        )
        cycle = OktaCycle(
            self.wire(headers, OKTA_RETRY),
            directory,
            self.report,
            app,
            workers=self.workers,
            progress=self.progress,
        )
        cycle.hostile = self.hostile
        return cycle


def play(
    provider: str,
    endpoint: str,
    token: str,
    *,
    users: int,
    groups: int,
    seed: int,
    dialect: str,
    app: str,
    workers: int,
    cleanup: bool,
    timeout: float,
    progress: Progress | None,
    chaos: float,
    hostile: bool,
    second_token: SecondToken,
) -> Report:
    """See :func:`flask_scim_provisioning.simulator.run`."""
    base, flags = split_endpoint(endpoint)
    report = Report(provider, base)
    run = Run(
        endpoint,
        token,
        report,
        users,
        groups,
        seed,
        workers,
        timeout,
        progress,
        Chaos(chaos, seed),
        hostile or chaos > 0 or second_token is not None,
    )
    for job in _jobs(run, provider, dialect, app, flagged=FLAG in flags):
        job.wire.token, job.second_token = token, second_token
        try:
            job.run()
            # One token replaces the other once; what follows has the new one.
            token, second_token = job.wire.token, None
            if cleanup:
                job.cleanup()
        except Quarantined as error:
            report.stopped = str(error)
            break
    return report


def _jobs(run: Run, provider: str, dialect: str, app: str, *, flagged: bool) -> list[Job]:
    match provider:
        case "entra":
            if flagged and dialect == Dialect.DEFAULT:
                dialect = Dialect.FLAG
            return [run.entra(tuple(Dialect) if dialect == "both" else (Dialect(dialect),))]
        case "okta" if app == "both":
            # Two apps share the numbers, the first one taking the odd person.
            return [
                run.okta(App.WIZARD, lambda number: number - number // 2),
                run.okta(App.CATALOGUE, lambda number: number // 2),
            ]
        case "okta":
            return [run.okta(App(app), lambda number: number)]
    raise ValueError(f"The provider must be entra or okta, not {provider!r}.")
