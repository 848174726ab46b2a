"""What the fake limactl and the fake ssh share.

Only the standard library's quick parts are imported here: a test suite calls these programs hundreds of
times, and argparse, dataclasses, typing and subprocess would each cost more than the work itself.
"""
