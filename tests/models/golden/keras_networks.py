"""The networks of Mehani23 and Akshat23 in Keras, from the reports' listings: the reference for values and counts.

Layers are named as in jaxcolor. Widths are arguments, so that values can be taken from tiny networks.
"""

from collections.abc import Sequence
from typing import Any

from keras import Input, Model, layers

Tensor = Any


def dcgan(filters: int = 32) -> Model:
    """Return the generator of Mehani23 Figure 4."""
    f, convs, norms = filters, iter(range(9)), iter(range(6))

    def conv(x: Tensor, width: int, activation: str | None = 'relu', strides: int = 1) -> Tensor:
        name = f'Conv_{next(convs)}'
        return layers.Conv2D(width, 3, padding='same', strides=strides, activation=activation, name=name)(x)

    def norm(x: Tensor) -> Tensor:
        return layers.BatchNormalization(name=f'Norm_{next(norms)}')(x)

    inputs = Input((32, 32, 1))
    x = conv(inputs, f)
    x = norm(conv(x, 2 * f, strides=2))
    x = conv(x, 4 * f, strides=2)
    x = norm(conv(x, 4 * f))
    x = norm(conv(x, 8 * f))
    x = norm(conv(layers.UpSampling2D((2, 2))(x), 4 * f))
    x = norm(conv(layers.UpSampling2D((2, 2))(x), 2 * f))
    x = conv(x, f)
    x = norm(conv(x, 2, activation=None))
    return Model(inputs, layers.Activation('tanh')(x))


def autoencoder(
    downs: Sequence[int] = (32, 64, 128, 256, 256), ups: Sequence[int] = (256, 128, 64, 32), dropout: float = 0.5
) -> Model:
    """Return the generator of Mehani23 Figure 5; its down- and upsample are those of TensorFlow's pix2pix."""
    inputs = x = Input((32, 32, 1))
    skips = []
    for level, width in enumerate(downs):
        x = layers.Conv2D(width, 4, strides=2, padding='same', use_bias=False, name=f'down_{level}')(x)
        if level:
            x = layers.BatchNormalization(name=f'down_norm_{level}')(x)
        x = layers.LeakyReLU()(x)
        skips.append(x)
    for i, (width, skip) in enumerate(zip(ups, reversed(skips[:-1]), strict=True)):
        level = len(ups) - i
        x = layers.Conv2DTranspose(width, 4, strides=2, padding='same', use_bias=False, name=f'up_{level}')(x)
        x = layers.BatchNormalization(name=f'up_norm_{level}')(x)
        if i == 0:
            x = layers.Dropout(dropout)(x)
        x = layers.ReLU()(x)
        x = layers.Concatenate()([x, skip])
    x = layers.Conv2DTranspose(2, 3, strides=2, padding='same', activation='tanh', name='up_0')(x)
    return Model(inputs, x)


def dense_discriminator() -> Model:
    """Return the discriminator of Mehani23 Figure 6, up to its logit."""
    inputs = x = Input((32, 32, 3))
    for i, width in enumerate((32, 32, 64, 64)):
        x = layers.Conv2D(width, 3, padding='same', activation='relu', name=f'Conv_{i}')(x)
        if i % 2:
            x = layers.Dropout(0.25)(layers.AveragePooling2D(pool_size=(2, 2))(x))
    x = layers.LeakyReLU(0.2)(layers.Dense(512, name='Dense_0')(layers.Flatten()(x)))
    x = layers.Dropout(0.5)(layers.BatchNormalization(name='Norm_0')(x))
    return Model(inputs, layers.Dense(1, name='Dense_1')(x))


def valid(filters: int = 16, size: int = 32) -> Model:
    """Return the generator of Mehani23 Figure 18."""
    f = filters
    inputs = x = Input((size, size, 1))
    skips = []
    for level, widths in enumerate(((f, 2 * f, 2 * f), (2 * f, 4 * f, 4 * f), (4 * f, 8 * f, 8 * f))):
        for i, (kernel, width) in enumerate(zip((5, 3, 3), widths, strict=True)):
            x = layers.Conv2D(width, kernel_size=kernel, strides=1, name=f'down_{level}_{i}')(x)
            x = layers.LeakyReLU()(x)
        skips.append(x)
    x = layers.Conv2D(8 * f, kernel_size=3, strides=1, activation='tanh', padding='same', name='bottleneck')(x)
    for level, widths in ((2, (8 * f, 8 * f, 4 * f)), (1, (4 * f, 4 * f, 2 * f)), (0, (2 * f, 2 * f, 3))):
        x = layers.Concatenate()([x, skips.pop()])
        for i, (kernel, width) in enumerate(zip((3, 3, 5), widths, strict=True)):
            x = layers.Conv2DTranspose(width, kernel_size=kernel, strides=1, activation='relu', name=f'up_{level}_{i}')(
                x
            )
    return Model(inputs, x)


def dense_max_discriminator() -> Model:
    """Return the discriminator of Mehani23 Figure 19, up to its logit."""
    inputs = x = Input((32, 32, 3))
    for i, (width, kernel) in enumerate(((16, 5), (32, 5), (64, 5), (64, 5), (128, 3), (128, 3), (256, 3), (256, 3))):
        x = layers.Conv2D(width, kernel, strides=1, padding='same', activation='relu', name=f'Conv_{i}')(x)
        if i % 2:
            x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    for i, width in enumerate((512, 128, 16)):
        x = layers.Dense(width, activation='relu', name=f'Dense_{i}')(x)
    return Model(inputs, layers.Dense(1, name='Dense_3')(x))


def conv_unet(filters: int = 64, depth: int = 5, size: int = 32) -> Model:
    """Return the generator of Mehani23 Figures 28 and 29."""

    def convs(x: Tensor, width: int, activation: type[layers.Layer], name: str, **options: float) -> Tensor:
        for i in range(2):
            x = layers.Conv2D(width, (3, 3), padding='same', name=f'{name}_{i}')(x)
            x = layers.BatchNormalization(name=f'{name}_norm_{i}')(x)
            x = activation(**options)(x)
        return x

    inputs = x = Input((size, size, 1))
    skips = []
    for level in range(depth):
        if level:
            x = layers.MaxPooling2D((2, 2), strides=2)(x)
        x = convs(x, filters * 2**level, layers.LeakyReLU, f'down_{level}', negative_slope=0.2)
        skips.append(x)
    x = skips.pop()
    for level in reversed(range(depth - 1)):
        x = layers.Conv2DTranspose(filters * 2**level, (2, 2), strides=2, name=f'up_{level}')(x)
        x = layers.Concatenate()([skips.pop(), x])
        x = convs(x, filters * 2**level, layers.ReLU, f'merge_{level}')
    return Model(inputs, layers.Conv2D(3, (1, 1), strides=1, name='last')(x))


def _spectral(layer: layers.Layer, name: str) -> layers.Layer:
    return layers.SpectralNormalization(layer, 10, name=name)


def spectral_unet(
    downs: Sequence[int] = (32, 64, 128, 128, 256, 256, 512),
    ups: Sequence[int] = (512, 256, 256, 128, 128, 64),
    size: int = 128,
    dropout: float = 0.5,
) -> Model:
    """Return the generator of Akshat23 Figures 3.8 to 3.10."""
    inputs = x = Input((size, size, 1))
    skips = []
    for level, width in enumerate(downs):
        conv = layers.Conv2D(width, 4, strides=2, padding='same', use_bias=False)
        x = _spectral(conv, f'down_{level}')(x)
        if level:
            x = layers.BatchNormalization(name=f'down_norm_{level}')(x)
        x = layers.LeakyReLU()(x)
        skips.append(x)
    for i, (width, skip) in enumerate(zip(ups, reversed(skips[:-1]), strict=True)):
        conv = layers.Conv2DTranspose(width, 4, strides=2, padding='same', use_bias=False)
        x = _spectral(conv, f'up_{len(ups) - i}')(x)
        if i < 4:
            x = layers.Dropout(dropout)(x)
        x = layers.ReLU()(x)
        x = layers.Concatenate()([x, skip])
    x = layers.Conv2DTranspose(2, 4, strides=2, padding='same', activation='tanh', name='up_0')(x)
    return Model(inputs, x)


def spectral_patchgan(filters: int = 32, size: int = 128) -> Model:
    """Return the discriminator of Akshat23 Figure 3.11."""
    inputs = [Input((size, size, 1)), Input((size, size, 2))]
    x = layers.Concatenate()(inputs)
    for i in range(2):
        conv = layers.Conv2D(filters * 2**i, 4, strides=2, padding='same', use_bias=False)
        x = _spectral(conv, f'conv_{i}')(x)
        if i:
            x = layers.BatchNormalization(name=f'norm_{i}')(x)
        x = layers.LeakyReLU()(x)
    for i in range(2, 4):
        x = layers.Conv2D(filters * 2**i, 4, strides=1, use_bias=False, padding='same', name=f'conv_{i}')(x)
        x = layers.LeakyReLU()(layers.BatchNormalization(name=f'norm_{i}')(x))
    return Model(inputs, layers.Conv2D(1, 4, strides=1, padding='same', name='logits')(x))
