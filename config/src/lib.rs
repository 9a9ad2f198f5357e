//! What are the settings? The parts' own settings together, read from file and environment.
