"""MP3 files with what no encoder at hand writes, made by changing bits of those that one wrote."""

KBITS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)


def frames(data):
    """Position, whether it is MPEG-1, and channels of each frame of an MP3 without tags and CRC."""
    at = 0
    while at + 4 < len(data) and data[at] == 0xFF:
        version = data[at + 1] >> 3 & 3
        mpeg1 = version == 3
        rate = (44100, 48000, 32000)[data[at + 2] >> 2 & 3] // {3: 1, 2: 2, 0: 4}[version]
        size = (144 if mpeg1 else 72) * KBITS[not mpeg1][data[at + 2] >> 4] * 1000 // rate
        yield at, mpeg1, 1 if data[at + 3] >> 6 == 3 else 2
        at += size + (data[at + 2] >> 1 & 1)


def joint(data):
    """Declares the two channels of a stereo file to be middle and side. Their block types differ
    where the encoder chose them for each channel."""
    data = bytearray(data)
    for at, _, _ in frames(bytes(data)):
        data[at + 3] = data[at + 3] & 0x0F | 0b0110_0000
    return bytes(data)


def mixed(data):
    """Sets the mixed block flag in the granules of short blocks whose first scale factors have no
    bits, so that all others stay where they are. Returns the file and the number of granules."""
    data, count = bytearray(data), 0

    def bits(position, size):
        value = int.from_bytes(data[position // 8 : position // 8 + 4], "big")
        return value >> (32 - position % 8 - size) & ((1 << size) - 1)

    for at, mpeg1, channels in frames(data):
        private = 5 if channels == 1 else 3
        side = 8 * (at + 4) + (9 + private + 4 * channels if mpeg1 else 8 + channels)
        for granule in range((2 if mpeg1 else 1) * channels):
            begin = side + granule * (59 if mpeg1 else 63) + 12 + 9 + 8
            code = bits(begin, 4 if mpeg1 else 9)
            aligned = code < 4 if mpeg1 else code < 80 or 400 <= code < 420 or 500 <= code < 503
            switch = begin + (4 if mpeg1 else 9)
            if aligned and bits(switch, 3) == 0b110:
                data[(switch + 3) // 8] |= 1 << (7 - (switch + 3) % 8)
                count += 1
    return bytes(data), count
