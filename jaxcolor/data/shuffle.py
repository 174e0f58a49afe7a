"""Grain's order of the training pictures, computed on the device: a function of (seed, step) alone.

Grain shuffles an epoch with a cipher of the places in it, so that no list of them is needed. It is a Feistel
network of four rounds with the round function of Simon (Beaulieu et al., "The SIMON and SPECK families of
lightweight block ciphers", 2013), over an even number of bits, 16 at least, that hold the last place. Where it
leads past that, it is applied again until it does not: cycle walking (Black and Rogaway, "Ciphers with arbitrary
finite domains", 2002). The epoch's number, added to the seed, makes the keys.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32, UInt32

MAX_PICTURES = 2**30 - 1  # what 32 bits leave room for, in `batch_starts` and in the cipher


def batches(
    steps: Int32[Array, ' k'], rows: Int32[Array, ' b'], batch_size: int, count: int, seed: int
) -> Int32[Array, 'k b']:
    """Which pictures are in some rows of some batches of `pipeline.train_batches`.

    Args:
      steps: numbers of batches, from 0 on.
      rows: of each batch, in [0, batch_size).
      batch_size: of all devices together, below 2^31.
      count: how many pictures there are, at most MAX_PICTURES.
      seed: of the order, in [0, 2^32).

    Returns:
      Places among the pictures, in [0, count).
    """
    epoch, place = batch_starts(steps, batch_size, count)
    place = place[:, None] + rows.astype(jnp.uint32)[None, :]
    return shuffled(epoch[:, None] + place // count, place % count, count, seed)


def batch_starts(
    steps: Int32[Array, ' k'], batch_size: int, count: int
) -> tuple[UInt32[Array, ' k'], UInt32[Array, ' k']]:
    """Epoch and place of the first row of batches: divmod(step * batch_size, count), exact for all steps.

    The epoch is modulo 2^32, and so it is where Grain adds it to the seed. See `batches` for the arguments.
    """
    number = steps.astype(jnp.uint32)
    epochs, places = divmod(batch_size, count)
    epoch = place = jnp.zeros_like(number)
    # Long multiplication, in digits so short that `place` stays below 2^32: count * 2^(bits + 1) does.
    bits = 31 - count.bit_length()
    for shift in reversed(range(0, 31, bits)):
        place = (place << bits) + ((number >> shift) & (2**bits - 1)) * places
        epoch = (epoch << bits) + place // count
        place = place % count
    return epoch + number * epochs, place


def shuffled(epoch: UInt32[Array, '*b'], place: UInt32[Array, '*b'], count: int, seed: int) -> Int32[Array, '*b']:
    """Element epoch * count + place of `grain.MapDataset.range(count).seed(seed).shuffle().repeat()`.

    Args:
      epoch: modulo 2^32.
      place: in the epoch, in [0, count).
      count: at most MAX_PICTURES.
      seed: in [0, 2^32).
    """
    keys = _keys(jnp.asarray(seed, jnp.uint32) + epoch)
    # As Grain has it: where count - 1 is a power of 4 (65536, 262144, …), the block is a bit too short for it, so
    # that the last place gets the first one's picture.
    bits = max(16, (count - 2).bit_length())
    word = (bits + 1) // 2

    def walk(value: UInt32[Array, '*b']) -> UInt32[Array, '*b']:
        return jnp.where(value < count, value, _encrypt(value, keys, word))

    value = jax.lax.while_loop(lambda value: jnp.any(value >= count), walk, _encrypt(place, keys, word))
    return value.astype(jnp.int32)


def _encrypt(value: UInt32[Array, '*b'], keys: list[UInt32[Array, '*b']], word: int) -> UInt32[Array, '*b']:
    """Encrypts two words of `word` bits, two rounds at a time."""
    mask = 2**word - 1

    def rotate(x: UInt32[Array, '*b'], by: int) -> UInt32[Array, '*b']:
        return ((x << by) | (x >> (word - by))) & mask

    def mix(x: UInt32[Array, '*b'], key: UInt32[Array, '*b']) -> UInt32[Array, '*b']:
        return (rotate(x, 1) & rotate(x, 8)) ^ rotate(x, 2) ^ (key & mask)

    left, right = (value >> word) & mask, value & mask
    for first, second in (keys[:2], keys[2:]):
        left = left ^ mix(right, first)
        right = right ^ mix(left, second)
    return (left << word) | right


def _keys(seed: UInt32[Array, '*b']) -> list[UInt32[Array, '*b']]:
    """Return what `std::seed_seq{seed}` of C++ generates: four words (C++ standard, [rand.util.seedseq])."""
    n = 4
    words = [jnp.full_like(seed, 0x8B8B8B8B)] * n

    def scramble(x: UInt32[Array, '*b']) -> UInt32[Array, '*b']:
        return x ^ (x >> 27)

    for k, added in enumerate((jnp.ones_like(seed), 1 + seed, jnp.full_like(seed, 2), jnp.full_like(seed, 3))):
        ahead, beyond = (k + 1) % n, (k + 2) % n
        first = 1664525 * scramble(words[k] ^ words[ahead] ^ words[k - 1])
        second = first + added
        words[ahead], words[beyond], words[k] = words[ahead] + first, words[beyond] + second, second
    for k in range(n):
        ahead, beyond = (k + 1) % n, (k + 2) % n
        first = 1566083941 * scramble(words[k] + words[ahead] + words[k - 1])
        second = first - k
        words[ahead], words[beyond], words[k] = words[ahead] ^ first, words[beyond] ^ second, second
    return words
