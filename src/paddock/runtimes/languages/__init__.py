"""What differs from language to language: where interpreters are, what an install consists of.

Each is a module with the functions of `LanguageSupport`; a new language is a module here and a line in this table.
"""

from __future__ import annotations

from collections.abc import Mapping

from paddock.model.runtimes import Language
from paddock.runtimes.languages import dotnet, java, nodejs, provided, python
from paddock.runtimes.languages.support import LanguageSupport

SUPPORT: Mapping[Language, LanguageSupport] = {
    Language.PYTHON: python,
    Language.NODEJS: nodejs,
    Language.JAVA: java,
    Language.DOTNET: dotnet,
    Language.PROVIDED: provided,
}
