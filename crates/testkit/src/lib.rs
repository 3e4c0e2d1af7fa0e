//! Real parts for tests: temporary PostgreSQL, real agents and servers, the test of the house.
