"""What clients find out before they log in."""

import pytest
from connectrpc.errors import ConnectError
from flyteidl2.auth import auth_service_pb2
from flyteidl2.auth.auth_service_connect import AuthMetadataServiceClient
from tests.integration.oauth.conftest import Issuing

from flyte_server.services.access.oauth import forms


async def test_the_service_tells_what_the_official_client_needs(oauth: Issuing) -> None:
    client = AuthMetadataServiceClient(oauth.base, http_client=oauth.http)
    found = await client.get_o_auth2_metadata(auth_service_pb2.GetOAuth2MetadataRequest())
    assert found.issuer == oauth.base
    assert found.token_endpoint == f"{oauth.base}/oauth2/token"
    assert found.authorization_endpoint == f"{oauth.base}/oauth2/authorize"
    assert found.device_authorization_endpoint == f"{oauth.base}/oauth2/device_authorization"
    assert list(found.code_challenge_methods_supported) == ["S256"]
    public = await client.get_public_client_config(auth_service_pb2.GetPublicClientConfigRequest())
    assert public.client_id
    assert public.redirect_uri == "http://localhost:53593/callback"
    assert list(public.scopes) == ["all", "offline"]
    assert public.authorization_metadata_key == "authorization"
    await client.close()


async def test_the_documents_say_the_same(oauth: Issuing) -> None:
    for name in ("oauth-authorization-server", "openid-configuration"):
        document = (await oauth.get(f"/.well-known/{name}")).json
        assert document["issuer"] == oauth.base
        for field in ("token_endpoint", "authorization_endpoint", "device_authorization_endpoint"):
            path = document[field].removeprefix(oauth.base)
            assert (await oauth.get(path)).status != 404
        assert document["code_challenge_methods_supported"] == ["S256"]
        assert (await oauth.get("/oauth2/jwks")).json == {"keys": []}
    assert (await oauth.get("/.well-known/other")).status == 404


@pytest.mark.parametrize("host", ["a b", "evil.com/x", "evil.com@x", "", 'a"b'])
async def test_a_host_that_is_none_is_not_repeated(oauth: Issuing, host: str) -> None:
    scope = {"headers": [(b"host", host.encode())]}
    with pytest.raises(forms.BadForm):
        forms.base(scope, "http")
    client = AuthMetadataServiceClient(oauth.base, http_client=oauth.http)
    with pytest.raises(ConnectError):
        await client.get_o_auth2_metadata(
            auth_service_pb2.GetOAuth2MetadataRequest(), headers={"host": "evil.com@x"}
        )
    await client.close()


async def test_a_proxy_that_speaks_tls_is_believed(oauth: Issuing) -> None:
    client = AuthMetadataServiceClient(oauth.base, http_client=oauth.http)
    found = await client.get_o_auth2_metadata(
        auth_service_pb2.GetOAuth2MetadataRequest(), headers={"x-forwarded-proto": "https"}
    )
    assert found.token_endpoint == f"{oauth.base.replace('http:', 'https:')}/oauth2/token"
    await client.close()
