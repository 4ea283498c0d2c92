"""The forms of an answer: a value held, a limit met, an opinion counted, products compared or ranked."""
