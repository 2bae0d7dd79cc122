"""The demo world: what is in it (`world`), what happens in it (`story`), making it (`builder`)."""
