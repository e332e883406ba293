"""Xception in PyTorch with timm's names (`legacy_xception`), widths that can be divided, and Keras's numerics on request."""

import torch.nn as nn
import torch.nn.functional as F

WIDTHS = ((64, 128), (128, 256), (256, 728)) + ((728, 728),) * 8 + ((728, 1024),)


class SeparableConv2d(nn.Module):
    def __init__(self, channels, out_channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, out_channels, 1, bias=False)

    def forward(self, x):
        return self.pointwise(self.conv1(x))


class KerasPool(nn.Module):
    """Max-pooling 3x3, stride 2, padding='same': an even side is padded at its end only."""

    def forward(self, x):
        pads = []
        for side in (x.shape[3], x.shape[2]):
            total = max(0, (-(-side // 2) - 1) * 2 + 3 - side)
            pads += [total // 2, total - total // 2]
        return F.max_pool2d(F.pad(x, pads, value=float("-inf")), 3, 2)


class Block(nn.Module):
    def __init__(self, number, channels, out_channels, keras):
        super().__init__()
        if channels != out_channels:
            self.skip = nn.Conv2d(channels, out_channels, 1, stride=2, bias=False)
            self.skipbn = nn.BatchNorm2d(out_channels)
        else:
            self.skip = None
        widths = [channels, channels, out_channels] if number == 12 else [channels] + [out_channels] * (2 if self.skip else 3)
        layers = []
        for before, after in zip(widths, widths[1:]):
            layers += [nn.ReLU(), SeparableConv2d(before, after), nn.BatchNorm2d(after)]
        if number == 1:
            layers = layers[1:]
        if self.skip:
            layers.append(KerasPool() if keras else nn.MaxPool2d(3, 2, 1))
        self.rep = nn.Sequential(*layers)

    def forward(self, x):
        return self.rep(x) + (self.skipbn(self.skip(x)) if self.skip else x)


class Xception(nn.Module):
    def __init__(self, classes, deep_head=False, keras=False, divisor=1):
        super().__init__()

        def width(channels):
            return channels // divisor

        self.conv1 = nn.Conv2d(3, width(32), 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width(32))
        self.act1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width(32), width(64), 3, bias=False)
        self.bn2 = nn.BatchNorm2d(width(64))
        self.act2 = nn.ReLU()
        for number, (channels, out_channels) in enumerate(WIDTHS, 1):
            setattr(self, f"block{number}", Block(number, width(channels), width(out_channels), keras))
        self.conv3 = SeparableConv2d(width(1024), width(1536))
        self.bn3 = nn.BatchNorm2d(width(1536))
        self.act3 = nn.ReLU()
        self.conv4 = SeparableConv2d(width(1536), width(2048))
        self.bn4 = nn.BatchNorm2d(width(2048))
        self.act4 = nn.ReLU()
        self.global_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        if deep_head:
            features = (width(2048), width(1000), width(256), width(64))
            layers = []
            for before, after in zip(features, features[1:]):
                layers += [nn.Linear(before, after), nn.ReLU()]
            self.fc = nn.Sequential(*layers, nn.Linear(features[-1], classes))
        else:
            self.fc = nn.Linear(width(2048), classes)
        if keras:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eps = 1e-3

    def forward(self, x):
        for module in self.children():
            x = module(x)
        return x
