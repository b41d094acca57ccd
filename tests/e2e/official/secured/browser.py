"""A browser for programs that open one: writes the token into the page, sends its form, and goes where it is sent."""

import os
import re
import ssl
import sys
import urllib.parse
import urllib.request
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path

trusted = urllib.request.HTTPSHandler(context=ssl.create_default_context())
opener = urllib.request.build_opener(trusted, urllib.request.HTTPCookieProcessor(CookieJar()))
address = sys.argv[1]
page = opener.open(address, timeout=20).read().decode()
fields = {
    unescape(name): unescape(value)
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
}
typed = re.search(r'name="user_code" value="([^"]*)"', page)
if typed:
    fields["user_code"] = unescape(typed[1])
proof = Path(os.environ["TEST_PROOF"]).read_text().strip()
form = urllib.parse.urlencode({**fields, "proof": proof, "answer": "allow"}).encode()
target = address.partition("?")[0]
origin = "/".join(address.split("/")[:3])
opener.open(urllib.request.Request(target, form, {"Origin": origin}), timeout=20).read()
