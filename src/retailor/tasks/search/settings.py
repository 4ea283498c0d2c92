"""The settings of search."""

from __future__ import annotations

from typing import Literal

from retailor.config import Field, settings


@settings
class SearchSettings:
    """How items are scored: `weights` of words, details and meaning; None learns them from judgments."""

    weights: tuple[float, float, float] | None = None
    """Of every query; None takes those below, and moves them as far as the shop's judgments bear it out."""
    default_weights: tuple[float, float, float] = (0.1, 0.2, 0.7)
    """Of queries that the encoder reads."""
    unread_weights: tuple[float, float, float] = (0.5, 0.4, 0.1)
    """Of queries in a script whose words the encoder does not know, such as Chinese to an English one."""
    picture_weight: float = Field(default=0.7, ge=0, le=1)
    """Of the picture in a query of a picture and words, until `teach_pictures` has learned another."""
    synonyms: str | None = None
    """A file of the shop's synonyms, in the text of Solr and Elasticsearch: `pram, stroller` a line, or
    `anorak => rain jacket`."""
    mined_synonyms: bool = False
    """Whether pairs that the shop's own titles and judged queries suggest are searched by too."""
    synonym_weight: float = Field(default=0.8, ge=0, le=1)
    """Of a synonym, beside the word that was asked for."""
    n_reranked: int = Field(default=200, ge=0)
    """So many of the best are ordered anew; 0 leaves them as they are, as do `weights` that are given."""
    category_weight: float = Field(default=3.0, ge=0)
    """Of the category that a query asks for, times how far categories can be told in the shop; 0 for none."""
    false_alarms: float = Field(default=0.1, ge=0, lt=1)
    """Of queries that the shop has something for, so many may be told that nothing fits; 0 never says so."""
    index_from: int = Field(default=100_000, ge=1)
    """From so many items on, what is near in meaning is found through an index instead of a scan."""
    vectors: Literal["float32", "int8", "pca", "binary"] = "float32"
    """How the items' vectors are kept in memory: as they are, or as codes that find the nearest while the
    vectors stay on the disk: a quarter of it with 'int8', a sixteenth with 'pca' (the principal components,
    a quarter of them), a thirtieth with 'binary'. The log has what the codes miss."""
    across_languages: bool = True
    """Whether the items' vectors are kept without what tells the catalogue's languages apart, of the scripts
    that the encoder reads: else a query finds what is written in its own language first."""
    n_folds: int = Field(default=10, ge=2)
    k1: float = Field(default=1.2, gt=0)
    b: float = Field(default=0.75, ge=0, le=1)
    max_query_chars: int = Field(default=1000, gt=0)
    max_k: int = Field(default=1000, gt=0)
    seed: int = 0

    @property
    def looks_twice(self) -> bool:
        """Whether the best are ordered anew."""
        return self.weights is None and self.n_reranked > 0
