"""The privacy plugin: changes personal data in requests and replies."""

from governance.plugins.privacy.plugin import PrivacyPlugin

__all__ = ["PrivacyPlugin"]
