//! A disk that is full in the middle of a run, and what the run that goes on makes of it.
