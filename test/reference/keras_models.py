"""Makes the small Keras HDF5 networks in test/fixtures/model and their outputs, computed by TensorFlow.

Needs: pip install tensorflow-cpu tf-keras h5py numpy.  Run: python test/reference/keras_models.py
The input of every network is x[i] = (i * 7919 % 1009) / 1009 over [D, H, W] in row-major order (one channel).
"""
import json
import os
import sys

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import h5py
import keras as keras3
import numpy as np
import tf_keras as keras2

OUT = os.path.join(os.path.dirname(__file__), '..', 'fixtures', 'model')


def sample(shape):
    count = int(np.prod(shape))
    return ((np.arange(count) * 7919 % 1009) / 1009).astype('float32').reshape(shape)


def randomise(model, seed):
    """Every weight away from its default, so that no swap of two arrays goes unnoticed."""
    generator = np.random.default_rng(seed)
    weights = []
    for variable, value in zip(model.weights, model.get_weights()):
        name = variable.path if hasattr(variable, 'path') else variable.name
        if 'variance' in name:
            weights.append(generator.uniform(0.5, 1.5, value.shape))
        elif 'gamma' in name:
            weights.append(generator.uniform(0.7, 1.3, value.shape))
        elif 'kernel' in name:
            fan_in = np.prod(value.shape[:-1])
            weights.append(generator.normal(0, 1.5 / np.sqrt(fan_in), value.shape))
        else:
            weights.append(generator.normal(0, 0.2, value.shape))
    model.set_weights([w.astype('float32') for w in weights])


def save(model, name, shape, seed):
    randomise(model, seed)
    path = os.path.join(OUT, f'{name}.hdf5')
    if model.__module__.startswith('tf_keras'):
        model.save(path, save_format='h5', include_optimizer=False)
    else:
        legacy = path.replace('.hdf5', '.h5')
        model.save(legacy)
        os.rename(legacy, path)
    probabilities = model.predict(sample(shape)[None, ..., None], verbose=0)[0]
    print(name, os.path.getsize(path), 'bytes', probabilities)
    return {'input': list(shape), 'probabilities': [float(p) for p in probabilities], 'parameters': int(model.count_params())}


def densenet(keras):
    """A 3D DenseNet in small: 7^3 stride-2 stem, dense blocks of BN-ReLU-1^3-BN-ReLU-3^3, transitions, global average."""
    layers = keras.layers

    def unit(x, name):
        y = layers.BatchNormalization(epsilon=1.001e-5, name=f'{name}_0_bn')(x)
        y = layers.Activation('relu', name=f'{name}_0_relu')(y)
        y = layers.Conv3D(4, 1, use_bias=False, name=f'{name}_1_conv')(y)
        y = layers.BatchNormalization(epsilon=1.001e-5, name=f'{name}_1_bn')(y)
        y = layers.Activation('relu', name=f'{name}_1_relu')(y)
        y = layers.Conv3D(2, 3, padding='same', use_bias=False, name=f'{name}_2_conv')(y)
        return layers.Concatenate(axis=-1, name=f'{name}_concat')([x, y])

    start = layers.Input((21, 18, 24, 1))
    x = layers.Conv3D(4, 7, strides=2, padding='same', use_bias=False, name='stem')(start)
    x = layers.BatchNormalization(epsilon=1.001e-5, name='stem_bn')(x)
    x = layers.ReLU(name='stem_relu')(x)
    x = layers.MaxPooling3D(3, strides=2, padding='same', name='stem_pool')(x)
    for block in range(2):
        x = unit(x, f'block{block}')
        if block == 0:
            x = layers.BatchNormalization(epsilon=1.001e-5, name='transition_bn')(x)
            x = layers.Activation('relu', name='transition_relu')(x)
            x = layers.Conv3D(4, 1, use_bias=False, name='transition_conv')(x)
            x = layers.AveragePooling3D(2, strides=2, padding='same', name='transition_pool')(x)
    x = layers.BatchNormalization(epsilon=1.001e-5, name='head_bn')(x)
    x = layers.Activation('relu', name='head_relu')(x)
    x = layers.GlobalAveragePooling3D(name='head_pool')(x)
    x = layers.Dense(2, activation='softmax', name='head')(x)
    return keras.Model(start, x)


def zoo(keras):
    """Every other layer that the importer knows."""
    layers = keras.layers
    start = layers.Input((11, 9, 13, 1))
    x = layers.ZeroPadding3D(((1, 0), (0, 2), (1, 1)))(start)
    x = layers.Cropping3D(((0, 1), (1, 0), (0, 1)))(x)
    x = layers.Conv3D(4, (3, 2, 4), strides=(2, 1, 2), padding='same', activation='elu')(x)
    x = layers.Dropout(0.3)(x)
    x = layers.Conv3D(6, 3, padding='same', dilation_rate=2, groups=2)(x)
    x = layers.LeakyReLU(0.2)(x)
    x = layers.PReLU(shared_axes=[1, 2, 3])(x)
    x = layers.SpatialDropout3D(0.2)(x)
    x = layers.GaussianNoise(0.1)(x)
    # Squeeze and excitation: global average, reshape, dense on channels, broadcast multiply.
    s = layers.GlobalAveragePooling3D()(x)
    s = layers.Reshape((1, 1, 1, 6))(s)
    s = layers.Dense(6, activation='sigmoid')(s)
    x = layers.Multiply()([x, s])
    p = layers.AveragePooling3D(3, strides=2, padding='same')(x)
    q = layers.MaxPooling3D(3, strides=2, padding='same')(x)
    x = layers.Add()([p, q])
    x = layers.UpSampling3D((2, 1, 2))(x)
    x = layers.Conv3DTranspose(3, (3, 3, 2), strides=(2, 2, 1), padding='same', activation='tanh')(x)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.Activation('swish')(x)
    x = layers.Conv3DTranspose(3, 2, strides=1, padding='valid')(x)
    x = layers.ReLU(max_value=1.5, negative_slope=0.1)(x)
    x = layers.AveragePooling3D(2)(x)
    x = layers.Permute((2, 1, 3, 4))(x)
    f = layers.Flatten()(x)
    m = layers.GlobalMaxPooling3D()(x)
    f = layers.Dense(5, activation='relu')(f)
    f = layers.BatchNormalization(center=False)(f)
    f = layers.Concatenate()([f, m])
    f = layers.Dense(3)(f)
    return keras.Model(start, layers.Softmax()(f))


def binary(keras):
    """A Sequential with one sigmoid output: the common two-class form."""
    layers = keras.layers
    return keras.Sequential([
        layers.Input((8, 7, 6, 1)),
        layers.Conv3D(3, 3, padding='valid', strides=2, activation='relu'),
        layers.MaxPooling3D(2, padding='same'),
        layers.Flatten(),
        layers.Dense(1, activation='sigmoid'),
    ])


def rewritten(name, change):
    """The binary network of Keras 2 with another model_config: the same weights, so the same output."""
    target = os.path.join(OUT, f'{name}.hdf5')
    with open(os.path.join(OUT, 'keras2_binary.hdf5'), 'rb') as source, open(target, 'wb') as copy:
        copy.write(source.read())
    with h5py.File(target, 'a') as f:
        config = json.loads(f.attrs['model_config'])
        f.attrs['model_config'] = json.dumps(change(config))


def channels_first(config):
    """Flatten turns channels first into channels last before it flattens, so its Dense sees the same order."""
    for layer in config['config']['layers']:
        own = layer['config']
        own['data_format'] = 'channels_first'
        if layer['class_name'] == 'InputLayer':
            own['batch_input_shape'] = [None, 1, 8, 7, 6]
    return config


def keras1(config):
    """The field names and the plain list of Keras 1."""
    first, conv, pool, flatten, dense = [layer['config'] for layer in config['config']['layers']]
    kernel = dict(zip(('kernel_dim1', 'kernel_dim2', 'kernel_dim3'), conv['kernel_size']))
    layers = [
        ('Convolution3D', {
            'name': conv['name'], 'batch_input_shape': first['batch_input_shape'], 'nb_filter': conv['filters'], **kernel,
            'subsample': conv['strides'], 'border_mode': 'valid', 'dim_ordering': 'tf', 'activation': 'relu', 'bias': True,
        }),
        ('MaxPooling3D', {
            'name': pool['name'], 'pool_size': pool['pool_size'], 'strides': pool['strides'], 'border_mode': 'same',
            'dim_ordering': 'tf',
        }),
        ('Flatten', {'name': flatten['name']}),
        ('Dense', {'name': dense['name'], 'output_dim': 1, 'activation': 'sigmoid', 'bias': True}),
    ]
    return {'class_name': 'Sequential', 'config': [{'class_name': c, 'config': own} for c, own in layers]}


def broken():
    """Files that must be refused with one clear line."""
    good = os.path.join(OUT, 'keras2_binary.hdf5')
    with h5py.File(good) as f:
        config = json.loads(f.attrs['model_config'])
    with h5py.File(os.path.join(OUT, 'no_config.hdf5'), 'w') as f:
        f.create_group('model_weights').attrs['layer_names'] = np.array([], 'S1')
    layer = {'class_name': 'ConvLSTM3D', 'config': {'name': 'lstm'}}
    config['config']['layers'].insert(2, layer)
    with h5py.File(os.path.join(OUT, 'unknown_layer.hdf5'), 'w') as f:
        f.attrs['model_config'] = json.dumps(config)
        f.create_group('model_weights').attrs['layer_names'] = np.array([], 'S1')
    for name in ('missing_weights', 'wrong_shape'):
        path = os.path.join(OUT, f'{name}.hdf5')
        with open(good, 'rb') as source, open(path, 'wb') as target:
            target.write(source.read())
        with h5py.File(path, 'a') as f:
            group = f['model_weights']
            dense = next(k for k in group if k.startswith('dense'))
            if name == 'missing_weights':
                group[dense].attrs['weight_names'] = group[dense].attrs['weight_names'][:1]
            else:
                at = group[dense].attrs['weight_names'][0]
                at = at.decode() if isinstance(at, bytes) else at
                values = np.array(group[dense][at])
                del group[dense][at]
                group[dense][at] = values[:-1]


def main():
    os.makedirs(OUT, exist_ok=True)
    expected = {}
    for version, keras in (('keras2', keras2), ('keras3', keras3)):
        for seed, (name, make, shape) in enumerate((
            ('densenet', densenet, (21, 18, 24)), ('zoo', zoo, (11, 9, 13)), ('binary', binary, (8, 7, 6)),
        )):
            # Keras 3 writes the same DenseNet in a larger file.
            if (version, name) != ('keras3', 'densenet'):
                expected[f'{version}_{name}'] = save(make(keras), f'{version}_{name}', shape, 10 + seed)
    for name, change in (('keras1_binary', keras1), ('channels_first_binary', channels_first)):
        rewritten(name, change)
        expected[name] = expected['keras2_binary']
    broken()
    with open(os.path.join(OUT, 'keras.json'), 'w') as f:
        json.dump(expected, f, indent=1)
        f.write('\n')


if __name__ == '__main__':
    sys.exit(main())
