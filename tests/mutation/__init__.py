"""Do the tests notice a change? Small faults put into the SQL, one at a time."""
