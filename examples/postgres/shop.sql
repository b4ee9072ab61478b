-- A small shop. Dates are fixed, so that every run answers the same.
CREATE TABLE customers (
  id integer PRIMARY KEY,
  name text NOT NULL,
  country text NOT NULL
);
COMMENT ON TABLE customers IS 'Everybody who ever ordered';

CREATE TABLE products (
  id integer PRIMARY KEY,
  name text NOT NULL UNIQUE,
  price_cents integer NOT NULL CHECK (price_cents > 0)
);
COMMENT ON TABLE products IS 'What is sold, at today''s price';

CREATE TABLE orders (
  id integer PRIMARY KEY,
  customer_id integer NOT NULL REFERENCES customers,
  product_id integer NOT NULL REFERENCES products,
  quantity integer NOT NULL,
  ordered_on date NOT NULL
);
COMMENT ON TABLE orders IS 'One line of an order each';

INSERT INTO customers
  SELECT number, 'customer ' || number, (ARRAY['NO', 'PE', 'JP', 'EG'])[number % 4 + 1] FROM generate_series(1, 50) AS number;
INSERT INTO products
  SELECT number, 'product ' || number, number * 150 FROM generate_series(1, 20) AS number;
INSERT INTO orders
  SELECT number, number % 50 + 1, number % 20 + 1, number % 5 + 1, DATE '2026-01-01' + number % 365 FROM generate_series(1, 2000) AS number;

-- The role the MCP server logs in as. What it may not read it cannot leak, whatever SQL it is handed.
CREATE ROLE reader LOGIN;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;

-- list_tables answers the planner's estimate of the rows.
ANALYZE;
