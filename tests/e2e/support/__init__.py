"""What the scenarios stand on: processes, wire clients and servers, the expected series, the scrape."""
