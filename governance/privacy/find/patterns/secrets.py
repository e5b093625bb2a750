"""More rows of the table of detectors: what lets in whoever has it (passwords, tokens, codes)."""

from __future__ import annotations

from governance.privacy.find.patterns import checks
from governance.privacy.find.patterns.detector import Detector
from governance.privacy.find.patterns.labels import GLUE, IS_SECRET

_WORDS = r"(?:password|passwd|pwd|passwort|kennwort|contraseña|mot de passe|api[_\-]?key|secret|access[_\-]?token|auth[_\-]?token|密码|口令)"

SECRETS: tuple[Detector, ...] = (
    Detector(
        "password", "PASSWORD", r"[^\s\x00'\",;]{6,200}", 0.86, caseless=True, label=rf"{_WORDS}{IS_SECRET}",
        examples=("password: hunter2!", "api_key=abcdef123456"), counter_examples=("password reset",),
    ),
    # After "is" a value needs a digit or a mark: "the password is required".
    Detector(
        "password-said", "PASSWORD", r"[^\s\x00'\",;]{5,200}", 0.85, checks.secret, caseless=True, label=r"(?:password|passwort|kennwort|contraseña|mot de passe|密码)(?: (?:is|was|ist|lautet|est|es) |是)(?:['\":]|：)?",
        examples=("my password is hunter2", "das Passwort lautet geheim!7", "密码是abc12345"), counter_examples=("the password is required", "password is not set."),
    ),
    Detector(
        "url-credentials", "PASSWORD", r"[a-z][a-z0-9+.\-]{1,14}://[^\s\x00/@:'\"]{0,64}:[^\s\x00/@'\"]{1,128}@[a-z0-9.\-]{1,200}(?::\d{1,5})?", 0.94, caseless=True,
        examples=("postgres://app:s3cret@db.internal:5432/x", "redis://:pw@cache"), counter_examples=("postgres://db.internal:5432/x",),
    ),
    Detector(
        "authorization", "API_KEY", r"[a-z0-9._~+/=\-]{12,2000}", 0.95, checks.secret, caseless=True, label=r"(?:bearer|basic|token) ",
        examples=("Authorization: Bearer 2YotnFZFEjr1zCsicMWpAA", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), counter_examples=("Basic understanding of it", "bearer instruments"),
    ),
    Detector(
        "cookie", "API_KEY", r"[^\s\x00=;,\"']{1,64}=[^\s\x00;,\"']{4,2000}(?:; ?[^\s\x00=;,\"']{1,64}=[^\s\x00;,\"']{1,2000}){0,20}", 0.9, caseless=True, label=r"cookie: ",
        examples=("Set-Cookie: sid=31d4d96e407aad42; theme=light",), counter_examples=("cookie: a small file",),
    ),
    Detector(
        "session", "API_KEY", r"[^\s\x00;,&\"'<>]{8,400}", 0.9, checks.secret, caseless=True, label=rf"(?:phpsessid|jsessionid|session_?id|connect\.sid|csrf_?token|refresh_token|client_secret){IS_SECRET}",
        examples=("PHPSESSID=31d4d96e407aad42",), counter_examples=("sessionid=unknownvalue",),
    ),
    Detector(
        "card-security-code", "CARD_SECURITY_CODE", r"\d{3,4}", 0.9, edges="-.", caseless=True, label=rf"(?:cvv2?|cvc2?|csc|security code|kartenprüfnummer|code de sécurité|código de seguridad|安全码){GLUE}",
        examples=("CVV 123", "security code: 1234", "cvc2=987"), counter_examples=("cvv 12345", "security code review"),
    ),
    Detector(
        "pin", "PIN", r"\d{4,8}", 0.85, edges="-.", caseless=True, label=rf"(?:pin|puk)(?:[ \-]?(?:code|number))?{GLUE}",
        examples=("PIN: 4821", "pin code 482193"), counter_examples=("pin 3", "spin 4821"),
    ),
    Detector(
        "one-time-code", "ONE_TIME_CODE", r"\d{3}[ \-]?\d{3}|\d{4,8}", 0.9, edges="-.", caseless=True, label=rf"(?:otp|(?:one[ \-]time|verification|confirmation|login|access) (?:pass)?(?:code|word)|mtan|bestätigungscode|code de (?:vérification|confirmation)|código de (?:verificación|acceso)|验证码|动态码){GLUE}",
        examples=("verification code: 482 193", "your one-time password is 482193", "验证码：482193"), counter_examples=("verification code expired 2031-1",),
    ),
)  # fmt: skip
