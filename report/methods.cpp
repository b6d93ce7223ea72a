#include "noema/report/methods.h"

#include <array>
#include <utility>

namespace noema {
namespace {

using Entry = std::pair<std::string_view, std::string_view>;

constexpr std::array kModels{
    Entry{"ridge", "ridge: linear least squares on codes of the labels with an L2 penalty."},
    Entry{"logistic", "logistic: multinomial logistic regression with an L2 penalty."},
    Entry{"svc", "svc: linear support vector machines with squared hinge loss, one label against the rest."},
    Entry{"majority", "majority: always the most frequent label of the training fold."},
    Entry{
        "majority-of-test-labels",
        "majority-of-test-labels: always the label that is most frequent among the tested samples themselves; no fixed "
        "answer is right more often."},
    Entry{"nuisance",
          "nuisance: a linear model that sees only motion, the global signal and the position in the run; "
          "what it can tell needs no brain."},
    Entry{"fc-ridge", "fc-ridge: ridge on the functional connectivity of the sample."},
    Entry{"long-conv", "long-conv: layers of long convolutions with explicit kernels over time [Fu 2023]."},
    Entry{"long-conv-finetuned", "long-conv-finetuned: the same, beginning with the parameters of a trained model."},
    Entry{"mlp", "mlp: a network with one hidden layer on the mean of the sample's volumes."},
    Entry{"mlp-finetuned", "mlp-finetuned: the same, beginning with the parameters of a trained model."},
    Entry{"ridge-finetuned", "ridge-finetuned: ridge held towards the weights of a trained model instead of zero."},
    Entry{"cnn3d-finetuned", "cnn3d-finetuned: as cnn3d, beginning with the parameters of a trained model."},
    Entry{"cnn3d", "cnn3d: a small convolution network on single volumes."},
};

constexpr std::array kAttributions{
    Entry{"gradient",
          "gradient: the derivative of the target's margin by the input, a signed sensitivity map "
          "[Simonyan 2014]."},
    Entry{"input-x-gradient", "input-x-gradient: the input times the derivative of the margin [Shrikumar 2016]."},
    Entry{"integrated-gradients",
          "integrated-gradients: the input times the mean derivative on the way from zero to the "
          "input [Sundararajan 2017]."},
    Entry{"smooth-gradient", "smooth-gradient: the mean derivative at noisy copies of the input [Smilkov 2017]."},
    Entry{"occlusion", "occlusion: by how much the margin falls when features are set to zero [Zeiler 2014]."},
};

constexpr std::array kReferences{
    Entry{"Brodersen 2010",
          "Brodersen KH, Ong CS, Stephan KE, Buhmann JM (2010). The balanced accuracy and its posterior "
          "distribution. ICPR. doi:10.1109/ICPR.2010.764"},
    Entry{"Dice 1945",
          "Dice LR (1945). Measures of the amount of ecologic association between species. Ecology. "
          "doi:10.2307/1932409"},
    Entry{"Efron 1979",
          "Efron B (1979). Bootstrap methods: another look at the jackknife. Annals of Statistics. "
          "doi:10.1214/aos/1176344552"},
    Entry{"Fu 2023",
          "Fu DY, Epstein EL, Nguyen E, et al. (2023). Simple hardware-efficient long convolutions for sequence "
          "modeling. ICML. arXiv:2302.06646"},
    Entry{"Phipson 2010",
          "Phipson B, Smyth GK (2010). Permutation p-values should never be zero. Statistical Applications "
          "in Genetics and Molecular Biology. doi:10.2202/1544-6115.1585"},
    Entry{"Samek 2017",
          "Samek W, Binder A, Montavon G, Lapuschkin S, Müller KR (2017). Evaluating the visualization of "
          "what a deep neural network has learned. IEEE TNNLS. doi:10.1109/TNNLS.2016.2599820"},
    Entry{"Shrikumar 2016",
          "Shrikumar A, Greenside P, Shcherbina A, Kundaje A (2016). Not just a black box: learning "
          "important features through propagating activation differences. arXiv:1605.01713"},
    Entry{"Simonyan 2014",
          "Simonyan K, Vedaldi A, Zisserman A (2014). Deep inside convolutional networks: visualising "
          "image classification models and saliency maps. ICLR workshop. arXiv:1312.6034"},
    Entry{"Smilkov 2017",
          "Smilkov D, Thorat N, Kim B, Viégas F, Wattenberg M (2017). SmoothGrad: removing noise by adding "
          "noise. arXiv:1706.03825"},
    Entry{"Sundararajan 2017",
          "Sundararajan M, Taly A, Yan Q (2017). Axiomatic attribution for deep networks. ICML. "
          "arXiv:1703.01365"},
    Entry{"Thomas 2023",
          "Thomas AW, Lindenberger U, Samek W, Müller KR (2023). Evaluating deep transfer learning for whole-brain "
          "cognitive decoding. Journal of the Franklin Institute. arXiv:2111.01562"},
    Entry{"Zeiler 2014",
          "Zeiler MD, Fergus R (2014). Visualizing and understanding convolutional networks. ECCV. "
          "doi:10.1007/978-3-319-10590-1_53"},
};

}  // namespace

std::string model_sentence(std::string_view name) {
  const std::string_view kind = name.substr(0, name.find(' '));
  for (const auto& [known, sentence] : kModels)
    if (known == kind) return std::string(sentence);
  return {};
}

std::string attribution_sentence(std::string_view name) {
  for (const auto& [known, sentence] : kAttributions)
    if (known == name) return std::string(sentence);
  return "Attribution by " + std::string(name) + ".";
}

std::vector<std::string> references_in(std::string_view text) {
  std::vector<std::string> references;
  for (const auto& [key, reference] : kReferences)
    if (text.find("[" + std::string(key) + "]") != std::string_view::npos) references.emplace_back(reference);
  return references;
}

}  // namespace noema
