"""Tools -> phrases and vectors -> nearest tools -> communities -> domains -> directed links (paper section 2.1)."""
