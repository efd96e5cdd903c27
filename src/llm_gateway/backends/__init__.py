"""Who answers: backends behind one contract."""
