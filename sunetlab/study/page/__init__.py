"""The page of a study: its charts, its words, how it is put together."""
