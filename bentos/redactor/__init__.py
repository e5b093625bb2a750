"""The redactor: a service that changes personal data in text, and a page to try it on."""
