"""How bytes become durable: packs, and the one row that is the commit."""
