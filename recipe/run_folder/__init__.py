"""The folder of a run: who works in it, what happened in it, whose its files are, and whether they are as written."""
