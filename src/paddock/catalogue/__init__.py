"""Instance types and prices: the tables that are shipped, and what a user refreshed on top of them.

Reading files is I/O, so this is an adapter; what is read becomes values of `paddock.model` and `paddock.core.pricing`.
"""

from paddock.catalogue.loader import CATALOGUE_DATA, load
from paddock.catalogue.tables import Catalogue, CatalogueError, taken_by_lambda

__all__ = ["CATALOGUE_DATA", "Catalogue", "CatalogueError", "load", "taken_by_lambda"]
