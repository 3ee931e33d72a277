"""B extends A: Acme's GitHub is GitHub with one more setting, one stream refined and one more."""

from headwater import Cursor
from source_github import GithubConfig, GithubSource, GithubStream
from source_github.streams import Issues


class AcmeConfig(GithubConfig):
    team_label: str  # the beginning of the labels that name a team


class AcmeIssues(Issues):
    def parse(self, response, slice):
        wanted = self.source.config.team_label
        for record in super().parse(response, slice):
            teams = (label["name"] for label in record["labels"] if label["name"].startswith(wanted))
            yield {**record, "team": next(teams, None)}


class ReleaseAssets(GithubStream):
    name, path, cursor = "release_assets", "repos/{repository}/releases", Cursor("updated_at")
    schema = {"properties": {"id": {"type": "integer"}, "updated_at": {"type": "string"}}}

    def parse(self, response, slice):
        for release in super().parse(response, slice):
            yield from ({**asset, "release": release["id"]} for asset in release["assets"])


class AcmeGithub(GithubSource):
    name = "acme-github"
    config: AcmeConfig

    def streams(self):
        return [*super().streams(), AcmeIssues(self), ReleaseAssets(self)]
