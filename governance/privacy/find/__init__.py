"""Find personal data in text by patterns, checks and context words, and merge in what the tagger finds.

Order of reading, from the call to the details:

- `detect`: `Detectors`, what the rest of the program calls: texts in, findings out.
- `finding`: `Finding`, the result, and `ScoredSpan`, its plain tuple inside this package.
- `joined_texts`: many texts as one, because one long text is searched several times as fast as many short ones.
- `characters`: text without invisible and look-alike characters.
- `candidates`: where a match may be, and which context words are near; `engines` searches, by Hyperscan or by `re`.
- `candidate_filter`: which of these matches are personal data.
- `overlaps`: findings without overlaps, each assigned to its text.
- `patterns/`: the table of detectors with its checks, and the regular expressions made from it.

This package must not know operators, profiles, requests, files, settings or models: it changes nothing, and it calls
the tagger through `TaggerCall` only.
"""
