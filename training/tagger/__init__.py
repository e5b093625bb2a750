"""The PII tagger: persons, places, organisations and postal addresses, found by a character CNN and a BiLSTM."""
