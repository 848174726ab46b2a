"""Greets whoever is named on the command line."""
import sys


def greet(name: str) -> str:
    return "Helo, " + name


if __name__ == "__main__":
    print(greet(sys.argv[1] if len(sys.argv) > 1 else "you"))
