"""Waiting before a lost connection is tried again."""


def backoff_s(attempt: int, first_s: float, longest_s: float, jitter: float) -> float:
    """Seconds to wait before the next attempt: exponential backoff with jitter.

    delay = min(longest_s, first_s * 2^attempt) * (0.5 + 0.5 * jitter). By the jitter, connections that were lost at
    the same time are tried again at different times.

    Args:
        attempt: Failures in a row before this one, from 0.
        first_s: Longest wait after the first failure.
        longest_s: Longest wait after any failure.
        jitter: Uniform in 0 to 1.

    >>> [backoff_s(attempt, 2.0, 60.0, jitter=0.0) for attempt in range(7)]
    [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    >>> [backoff_s(attempt, 2.0, 60.0, jitter=1.0) for attempt in range(7)]
    [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    """
    return min(longest_s, first_s * 2.0 ** min(attempt, 32)) * (0.5 + 0.5 * jitter)
