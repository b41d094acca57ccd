"""What it takes to bring a class of tables of one's own: an encoder, a decoder, and where to register them."""

from flyte.io._frames_engine import DataFrameTransformerEngine
from flyte.io._tables.handlers import DataFrameDecoder, DataFrameEncoder

__all__ = ["DataFrameDecoder", "DataFrameEncoder", "DataFrameTransformerEngine"]
