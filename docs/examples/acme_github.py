"""B extends A: Acme's GitHub is GitHub with one more setting, one stream refined and one more."""

from typing import Annotated

from headwater import Cursor, Setting
from source_github import GithubConfig, GithubSource, GithubStream
from source_github.streams import Issues


class AcmeConfig(GithubConfig):
    team_label: Annotated[str, Setting("Team label", "Begins the labels that name a team.", min_length=1)]


class AcmeIssues(Issues):
    def parse(self, response, slice):
        for record in super().parse(response, slice):
            names = (label["name"] for label in record["labels"])
            prefix = self.source.config.team_label
            yield {**record, "team": next((name for name in names if name.startswith(prefix)), None)}


class ReleaseAssets(GithubStream):
    name, path, cursor = "release_assets", "repos/{repository}/releases", Cursor("updated_at")
    schema = {"properties": {"id": {"type": "integer"}, "updated_at": {"type": "string"}}}

    def parse(self, response, slice):
        for release in super().parse(response, slice):
            yield from ({**asset, "release": release["tag_name"]} for asset in release["assets"])


class AcmeGithub(GithubSource):
    name = "acme-github"
    config: AcmeConfig

    def streams(self):
        return [*super().streams(), AcmeIssues(self), ReleaseAssets(self)]
