"""Tasks on the control plane whose raw data lies in a real S3 store."""

import secrets
from pathlib import Path

import pytest
from tests.e2e.plane import Plane
from tests.storage_servers import KEY, SECRET, SeaweedFS
from tests.storage_servers import seaweedfs as seaweedfs

from flyte import storage
from flyte.storage import S3

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


async def test_files_folders_and_tables_lie_where_raw_data_goes(
    plane: Plane, seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    bucket = seaweedfs.make_bucket(f"test-{secrets.token_hex(6)}")
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    access = {
        "FLYTE_AWS_ENDPOINT": seaweedfs.endpoint,
        "FLYTE_AWS_ACCESS_KEY_ID": KEY,
        "FLYTE_AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }
    variables = [word for name, value in access.items() for word in ("--env", f"{name}={value}")]
    options = ("--raw-data-path", f"s3://{bucket}/raw", *variables)
    ended = plane.run("stored.py", "main", "--folder", str(folder), options=options)
    assert ended.outputs is not None, ended.error
    made = ended.outputs["o0"]
    assert made["rows"] == 1000
    addresses = [made["file"]["path"], made["folder"]["path"], made["table"]["uri"]]
    assert all(address.startswith(f"s3://{bucket}/raw/{ended.run}/") for address in addresses)
    settings = S3(
        endpoint=seaweedfs.endpoint, access_key_id=KEY, secret_access_key=SECRET, region="us-east-1"
    )
    assert await storage.read(made["file"]["path"], settings=settings) == b"far away"
    assert await storage.read(f"{made['folder']['path']}/a.txt", settings=settings) == b"a"
