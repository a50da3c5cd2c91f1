"""Selection: filters drop candidates, rankings order the rest, measures of music serve both."""
