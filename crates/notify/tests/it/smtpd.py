"""A mail server for tests: says on which port it listens, then prints each mail as one line of JSON.

One argument, a JSON object: "certificate" and "key" (files) for TLS, "tls" ("starttls" or "wrapped"), "user" and
"password" for authentication, "refuse" (recipient to reply).
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])


def say(document):
    print(json.dumps(document), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        refusal = options.get("refuse", {}).get(address)
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        say(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "tls": session.ssl is not None or options.get("tls") == "wrapped",
                "user": session.auth_data,
                "content": envelope.content.decode("utf-8"),
            }
        )
        return "250 taken as number 1"


def authenticate(server, session, envelope, mechanism, data):
    given = (data.login.decode(), data.password.decode())
    if given == (options["user"], options["password"]):
        return AuthResult(success=True, auth_data=given[0])
    return AuthResult(success=False, handled=False)


async def main():
    context = None
    if "certificate" in options:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options["certificate"], options["key"])
    starttls = options.get("tls") == "starttls"
    arguments = {"enable_SMTPUTF8": True}
    if starttls:
        arguments.update(tls_context=context, require_starttls=True)
    if "user" in options:
        arguments.update(
            authenticator=authenticate, auth_required=True, auth_require_tls=starttls
        )
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Handler(), hostname="mail.example.org", **arguments),
        host="127.0.0.1",
        port=0,
        ssl=context if options.get("tls") == "wrapped" else None,
    )
    say({"port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()


asyncio.run(main())
