"""Makes the Keras 3 archives (.keras) in test/fixtures/model and their outputs, computed by Keras.

Needs: pip install tensorflow-cpu.  Run: python test/reference/keras_archives.py
The input of every network is x[i] = (i * 7919 % 1009) / 1009 over [D, H, W] in row-major order (one channel).
"""
import json
import os

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import keras
import numpy as np
from keras import layers

OUT = os.path.join(os.path.dirname(__file__), '..', 'fixtures', 'model')
SHAPE = (7, 9, 6)


def sequential():
    return keras.Sequential([
        layers.Input((*SHAPE, 1)),
        layers.Conv3D(3, 3, padding='same', activation='relu', name='first'),
        layers.MaxPooling3D(2),
        layers.BatchNormalization(),
        layers.Conv3D(4, 3, padding='same', strides=2),
        layers.BatchNormalization(scale=False),
        layers.ReLU(),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(5, activation='elu'),
        layers.Dense(3, activation='softmax'),
    ])


def functional():
    x = inputs = layers.Input((*SHAPE, 1))
    x = layers.Conv3D(4, 3, padding='same', use_bias=False, name='stem')(x)
    skip = x = layers.PReLU(shared_axes=[1, 2, 3])(layers.BatchNormalization()(x))
    shared = layers.Conv3D(4, 1)
    x = layers.Add()([shared(shared(x)), skip])
    x = layers.Concatenate()([x, layers.LeakyReLU(negative_slope=0.2)(skip)])
    x = layers.GlobalAveragePooling3D()(x)
    return keras.Model(inputs, layers.Dense(1, activation='sigmoid')(x))


def randomise(model, seed):
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        if 'seed' in variable.path:
            continue
        fan_in = max(1, int(np.prod(variable.shape[:-1])))
        value = generator.normal(0, 1.5 / np.sqrt(fan_in), variable.shape)
        variable.assign(np.abs(value) + 0.5 if 'variance' in variable.path else value)


expected = {}
count = int(np.prod(SHAPE))
x = ((np.arange(count) * 7919 % 1009) / 1009).astype('float32').reshape(1, *SHAPE, 1)
for seed, (name, model) in enumerate({'keras_sequential': sequential(), 'keras_functional': functional()}.items()):
    randomise(model, seed)
    path = os.path.join(OUT, f'{name}.keras')
    model.save(path)
    expected[name] = [float(p) for p in model.predict(x, verbose=0)[0]]
    print(name, os.path.getsize(path), 'bytes', expected[name])
with open(os.path.join(OUT, 'keras_archives.json'), 'w') as file:
    json.dump({'input': list(SHAPE), 'probabilities': expected}, file, indent=1)
